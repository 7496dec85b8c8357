FROM localhost/tiny
CMD ["echo", "a  b", "$HOME", "it's \"x\""]
