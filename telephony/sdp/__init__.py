"""What two parties agree on: SDP read, judged and written, and the offers and answers of a dialog."""
