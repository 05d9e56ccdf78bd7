"""What a transcript is: types, errors, labelling, segments, the envelope. Pure rules."""
