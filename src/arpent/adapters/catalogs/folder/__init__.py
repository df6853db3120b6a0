"""What a catalogue in a folder stands on: files of items, and their index. The catalogue is `stac_folder`."""
