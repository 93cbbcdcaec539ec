"""What a snapshot service means, whoever asks: values and rules, no wire names, no I/O."""
