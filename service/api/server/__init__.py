"""What a server says of itself: who asks, how it is, which plug-ins it has."""
