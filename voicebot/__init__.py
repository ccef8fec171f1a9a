"""Voice front door: answers the phone, gets requests done, hands over warmly."""
