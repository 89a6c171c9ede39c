"""What a study is made of: trials, results, their history, and the file that keeps them."""
