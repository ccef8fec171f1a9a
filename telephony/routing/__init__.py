"""Where a call goes: ordered rules over what is known of it, and what of that the dialog may see. No I/O."""
