"""What comes from elsewhere: held against the rules by which data are packed here."""
