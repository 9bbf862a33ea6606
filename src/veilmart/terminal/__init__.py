"""What the three command lines share: options, questions, answers, errors."""
