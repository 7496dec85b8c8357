FROM localhost/tiny
WORKDIR /data/in
COPY a.txt .
CMD ["cat", "a.txt"]
