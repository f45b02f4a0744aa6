"""What other systems have kept, read as items of ours. Their files are copied first and never written to."""
