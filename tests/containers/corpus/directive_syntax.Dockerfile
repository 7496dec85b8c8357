# syntax=docker/dockerfile:1
# check=skip=all

# a comment
FROM localhost/tiny
   # an indented comment
  RUN echo indented > /out
