"""The one configuration file, ``voicebot.yaml``: typed, refused as a whole with the line and remedy of each fault."""

from __future__ import annotations

import importlib
import ipaddress
import pkgutil
import re
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field, PlainValidator, TypeAdapter, field_validator
from pydantic_core import PydanticCustomError

from telephony import yamlfile
from telephony.sip.hop import bracketed
from telephony.sip.message import SipError, parse_uri
from telephony.yamlfile import Section
from voicebot.paths import DIALOGS, ROOT

Placed = TypeVar("Placed", bound=BaseModel)
Port = Annotated[int, Field(ge=0, le=65535)]
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?\.?|\[?[0-9A-Fa-f]*:[0-9A-Fa-f:.]*\]?", re.ASCII)
LanguageTag = Annotated[str, Field(pattern=r"^[a-z]{2}(-[A-Z]{2})?$")]
RECOGNISERS, VOICES = "voicebot.asr.recognisers", "voicebot.tts.voices"
"""Packages whose modules declare one engine each. They are looked through when a configuration names an engine."""


class TlsSettings(Section):
    """SIP over TLS, for callers and carriers that want it."""

    port: Port = 5061
    cert: Path
    """PEM: our certificate, then those between it and the root. Renewed files are taken without a restart."""
    key: Path
    """PEM, without passphrase."""
    clients: Path | None = None
    """PEM: authorities; when given, everyone who connects has to show a certificate of theirs."""


class SipSettings(Section):
    listen: str | list[str] = "127.0.0.1"
    """Address that SIP and RTP are bound to, or several (IPv4 and IPv6)."""
    port: Port = 5060
    """UDP and TCP; 0 takes a free one."""
    tls: TlsSettings | None = None
    advertise: str | None = None
    """Address put into SDP and Contact when it is not `listen` (behind NAT, or listening on 0.0.0.0)."""
    trunks: Path | None = None
    """Folder of trunk files; see telephony/trunks for examples. Changes are taken without a restart."""
    routes: Path | None = None
    """Which call goes to which dialog or target; without it the `flow` answers all."""
    open: bool | None = None
    """Whether callers that belong to no trunk are taken. By default only when there are no trunks."""
    max_calls: Annotated[int, Field(ge=1)] = 50
    """More calls than this get 503 with Retry-After."""
    max_new_per_s: Annotated[float, Field(gt=0)] = 50.0
    """More new calls a second get 503 with Retry-After."""
    no_media_s: Annotated[float, Field(ge=2, le=3600)] = 20.0
    """A call that belongs to no trunk ends when there was neither audio nor another sign of life for so long, and
    nobody holds; trunks have their own. Longer for telephones that are muted and then send nothing at all."""
    nameservers: list[str] = Field(default_factory=list)
    """Asked for NAPTR, SRV and addresses, ``host`` or ``host:port``; the system's when empty."""
    trace_mb: Annotated[float, Field(ge=0, le=1024)] = 16.0
    """Memory for the SIP messages of the latest calls, which `voicebot trunk ladder` shows; 0 keeps none."""

    trace_rtp: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Audio packets kept of each of the latest calls, 100 for a second of a call, for `voicebot trunk pcap`. Whoever
    can read them can listen: leave it 0 unless you are looking for a fault."""

    @property
    def addresses(self) -> tuple[str, ...]:
        return (self.listen,) if isinstance(self.listen, str) else tuple(self.listen)

    @property
    def takes_strangers(self) -> bool:
        return self.trunks is None if self.open is None else self.open

    @field_validator("listen", "advertise")
    @classmethod
    def _address(cls, value: str | list[str] | None) -> str | list[str] | None:
        for text in [value] if isinstance(value, str) else value or []:
            try:
                ipaddress.ip_address(text)
            except ValueError:
                raise ValueError("must be an IP address, such as 127.0.0.1 or 0.0.0.0") from None
        if value == []:
            raise ValueError("needs at least one address, such as 127.0.0.1")
        return value


class RtpSettings(Section):
    first_port: Annotated[int, Field(ge=1024, le=65534)] = 20000
    last_port: Annotated[int, Field(ge=1025, le=65535)] = 29999


class HttpSettings(Section):
    listen: str = "127.0.0.1"
    port: Port = 8080
    hosts: list[str] = Field(default_factory=list)
    """More names under which pages are asked for: ``voice.example.com``, or the public address of a machine behind NAT.
    Without them it answers to ``localhost`` and the address that it listens on (on 0.0.0.0 all of the machine's)."""

    @property
    def from_here(self) -> str:
        """The host of URLs by which this machine reaches its pages: an unspecified address is nobody's."""
        return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.listen, bracketed(self.listen))

    @property
    def is_private(self) -> bool:
        """Whether nobody but this machine can open the pages: not from outside, and by no proxy under another name."""
        try:
            return not self.hosts and ipaddress.ip_address(self.listen).is_loopback
        except ValueError:
            return not self.hosts and self.listen == "localhost"

    @field_validator("hosts")
    @classmethod
    def _hosts(cls, value: list[str]) -> list[str]:
        for host in value:
            if not _HOST.fullmatch(host):
                raise ValueError(f"{host!r} is no host name: voice.example.com, without http:// and without port")
        return value


class EngineSettings(Section):
    """How one engine is made. A module in `RECOGNISERS` or `VOICES` declares a subclass as its ``ENGINE``; the module's
    name is the engine's: as a text it stands for `named`, as a key of a mapping for a subclass with these settings."""

    @property
    def name(self) -> str:
        """For people."""
        return self.kind()

    @classmethod
    def kind(cls) -> str:
        """Its name in the configuration."""
        return cls.__module__.rpartition(".")[2]

    @classmethod
    def named(cls, text: str) -> EngineSettings | None:
        """What a text in the configuration stands for; None where it is none of this engine's."""
        return cls() if text == cls.kind() else None


@cache
def declared_engines(package: str) -> dict[str, type[EngineSettings]]:
    """The engines that the modules of a package declare, by name. These modules import nothing heavy."""
    names = sorted(one.name for one in pkgutil.iter_modules(importlib.import_module(package).__path__))
    return {name: importlib.import_module(f"{package}.{name}").ENGINE for name in names}


def chosen_engines(package: str, listed: object) -> tuple[EngineSettings, ...]:
    """One engine or a list, as the configuration names them: texts, mappings, or settings.

    Raises:
        ValueError: a text or mapping that names none. ValidationError: wrong settings.
    """
    if not isinstance(listed, list | tuple):
        return (_engine(package, listed),)
    if not listed:
        raise ValueError(f"needs at least one, such as {next(iter(declared_engines(package)))}")
    one = Annotated[EngineSettings, PlainValidator(partial(_engine, package))]
    return tuple(TypeAdapter(list[one]).validate_python(list(listed)))


def _engine(package: str, value: object) -> EngineSettings:
    kinds = declared_engines(package)
    if isinstance(value, EngineSettings):
        return value
    if isinstance(value, str):
        for kind in [kinds[value]] if value in kinds else kinds.values():
            if (found := kind.named(value)) is not None:
                return found
    if isinstance(value, dict):
        for key in value:
            if key in kinds:
                return kinds[key].model_validate(value)
    shown = repr(value) if isinstance(value, str) else "this"
    remedy = f"take one of {', '.join(kinds)}"
    raise PydanticCustomError("engine", "{shown} is no engine", {"shown": shown, "remedy": remedy})


def _listed(package: str) -> PlainValidator:
    """Engines are refused with the file, and kept as they are written; `chosen_engines` makes settings of them."""

    def check(value: Any) -> Any:
        chosen_engines(package, value)
        return value

    return PlainValidator(check)


class AsrSettings(Section):
    engine: Annotated[Any, _listed(RECOGNISERS)] = "moonshine"
    """Recognises speech: one, or several of which the next takes over when one fails, within the same turn."""
    threads: Annotated[int, Field(ge=1, le=16)] = 2
    """Recognitions under way at once; each uses one core."""
    queue: Annotated[int, Field(ge=1)] = 64
    """Recognitions that may wait; more are refused and the caller is asked to repeat."""
    limit_s: Annotated[float, Field(gt=0, le=30)] = 1.5
    """An engine that takes longer over an utterance has failed."""

    @property
    def engines(self) -> tuple[EngineSettings, ...]:
        """The list, best first."""
        return chosen_engines(RECOGNISERS, self.engine)


class TurnSettings(Section):
    """When a caller's turn is over."""

    end_of_turn_model: Literal["none", "smart-turn"] = "none"
    """Asked whether free speech that reads as finished sounds so too; costs more processor time than recognition."""


class TtsSettings(Section):
    voice: Annotated[Any, _listed(VOICES)] = "auto"
    """``auto`` (hibari, the natural voice, for English; otherwise a Piper voice where one is there), ``hibari``,
    ``espeak``, a Piper voice in models/, a Pipecat service, or several of which the next takes over when one fails.
    espeak-ng is always the last."""
    languages: dict[LanguageTag, Annotated[Any, _listed(VOICES)]] = Field(default_factory=dict)
    """Voices, as under `voice`, for what prompts say in another language: ``es: espeak``. ``auto`` takes a Piper voice
    of that language, and hibari for English as its voice speaks it (American)."""
    words_per_minute: Annotated[int, Field(ge=80, le=400)] = 165
    cache_mb: Annotated[int, Field(ge=1)] = 64
    """Memory for prompts that were already spoken once."""
    disk_cache_mb: Annotated[int, Field(ge=0, le=4096)] = 128
    """Room in the folder of `voicebot cache` for prompts that never change, so that a restart is warm; 0 keeps
    none. Nothing that holds a caller's value is written there."""
    recordings: Path | None = None
    """Folder with recorded prompts, ``<prompt name>.wav``; they win over synthesis."""
    limit_s: Annotated[float, Field(gt=0, le=30)] = 4.0
    """A voice that gives no sound for so long has failed."""

    def voices_for(self, language: str) -> tuple[EngineSettings, ...]:
        """The list, best first: of `languages`, or, where the tag is empty, of the dialog's own language."""
        return chosen_engines(VOICES, self.languages[language] if language else self.voice)


class HandoverSettings(Section):
    targets: dict[str, str] = Field(default_factory=dict)
    """Name → SIP URI of the human or the PBX queue behind it."""
    ring_s: Annotated[float, Field(gt=0, le=120)] = 20.0
    """How long a target may ring before the caller gets words and another way."""
    queue_s: Annotated[float, Field(ge=0, le=7200)] = 300.0
    """How long a caller who was routed to a queue waits for a free human before the bot takes the call."""
    release: bool = False
    """Once caller and human talk, ask the caller's side to connect them without us (REFER with Replaces), so that a PBX
    or carrier that can do it frees our ports. Where it cannot, the call goes on through us."""
    webhook: str | None = None
    """URL that gets the written summary as JSON (POST)."""

    @field_validator("targets")
    @classmethod
    def _uris(cls, value: dict[str, str]) -> dict[str, str]:
        for name, uri in value.items():
            try:
                parse_uri(uri)
            except SipError:
                raise ValueError(f"{name}: must be a SIP URI such as sip:reception@10.0.0.5") from None
            if not uri.startswith(("sip:", "sips:")) or any(c in uri for c in "\r\n <>"):
                raise ValueError(f"{name}: must be a SIP URI such as sip:reception@10.0.0.5")
        return value


class RecordSettings(Section):
    database: str = "sqlite:///var/voicebot.db"
    """SQLAlchemy URL; a relative SQLite path is relative to the configuration file."""


class LogSettings(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"


class Config(Section):
    """Everything that can be set."""

    flow: Path = DIALOGS / "northwind.yaml"
    """The dialog that answers; relative to the configuration file."""
    flows: dict[str, Path] = Field(default_factory=dict)
    """More dialogs that routes may name, each with its ``.actions.yaml`` beside it if it has actions."""
    actions: Path | None = None
    """Backend actions of the flow; by default the flow's file name with ``.actions.yaml``."""
    sip: SipSettings = SipSettings()
    rtp: RtpSettings = RtpSettings()
    http: HttpSettings = HttpSettings()
    asr: AsrSettings = AsrSettings()
    turns: TurnSettings = TurnSettings()
    tts: TtsSettings = TtsSettings()
    handover: HandoverSettings = HandoverSettings()
    record: RecordSettings = RecordSettings()
    log: LogSettings = LogSettings()

    @property
    def actions_file(self) -> Path:
        return self.actions or self.flow.with_suffix(".actions.yaml")

    @property
    def flow_files(self) -> dict[str, tuple[Path, Path | None]]:
        """Name → flow file and actions file of every dialog; `flow`, under the name of its file, is the first."""
        found: dict[str, tuple[Path, Path | None]] = {self.flow.stem: (self.flow, self.actions_file)}
        for name, flow in self.flows.items():
            actions = flow.with_suffix(".actions.yaml")
            found[name] = flow, actions if actions.exists() else None
        return found


def load(path: Path | None) -> Config:
    """Read the configuration, or take the defaults when `path` is None.

    Relative paths in it are made absolute from the file's folder (from the checkout without a file).

    Raises:
        SourceError: unreadable or wrong, with each problem's line.
    """
    config = Config() if path is None else yamlfile.load(path, Config)
    base = ROOT if path is None else path.resolve().parent
    changes: dict[str, object] = {
        "flow": base / config.flow,
        "flows": {name: base / flow for name, flow in config.flows.items()},
    }
    changes["sip"] = _placed(config.sip, base, "trunks", "routes").model_copy(
        update={"tls": None if config.sip.tls is None else _placed(config.sip.tls, base, "cert", "key", "clients")}
    )
    if config.actions is not None:
        changes["actions"] = base / config.actions
    if config.tts.recordings is not None:
        changes["tts"] = config.tts.model_copy(update={"recordings": base / config.tts.recordings})
    prefix = "sqlite:///"
    if config.record.database.startswith(prefix) and not config.record.database.startswith(prefix + "/"):
        place = base / config.record.database.removeprefix(prefix)
        changes["record"] = config.record.model_copy(update={"database": f"{prefix}{place}"})
    return config.model_copy(update=changes)


def _placed(section: Placed, base: Path, *names: str) -> Placed:
    """The section with its paths made absolute."""
    paths = {name: base / path for name in names if (path := getattr(section, name)) is not None}
    return section.model_copy(update=paths)
