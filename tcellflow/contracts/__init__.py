"""What each step reads and must write, declared as data and checked on both sides."""
