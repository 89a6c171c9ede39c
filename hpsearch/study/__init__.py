"""What a study is made of: trials and their results, their history, and the file that keeps them."""
