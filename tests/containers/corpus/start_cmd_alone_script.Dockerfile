FROM localhost/tiny
WORKDIR /app
COPY run.sh .
CMD ["./run.sh", "train.py", "--steps=3"]
