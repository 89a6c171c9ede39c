"""What a study is worth, for people and programs. Everything here only reads."""
