FROM localhost/tiny
ENTRYPOINT ["printf", "<%s>\n", "print('a b')", "$x"]
