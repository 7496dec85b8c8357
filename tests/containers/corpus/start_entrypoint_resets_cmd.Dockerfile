FROM localhost/tiny AS base
CMD ["echo", "of the base"]
FROM base
ENTRYPOINT ["echo", "entry"]
