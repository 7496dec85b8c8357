FROM localhost/tiny
ENV A=1
RUN echo "$A" \
  two > /out
CMD ["cat", "/out"]
