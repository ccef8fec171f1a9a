"""SIP, RTP and WebRTC for voice bots. Imports nothing of voicebot and can be used by itself."""
