FROM localhost/tiny
ENTRYPOINT ["echo", "x"]
ENTRYPOINT []
CMD []
CMD ["echo", "only command"]
