FROM localhost/tiny
CMD ["first"]
CMD ["words"]
ENTRYPOINT ["echo", "one"]
ENTRYPOINT ["echo", "two"]
