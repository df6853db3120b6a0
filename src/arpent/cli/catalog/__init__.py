"""`arpent catalog`: makes catalogues from data that is not a catalogue."""
