FROM localhost/tiny AS build
RUN echo x > /etc/made
FROM scratch
COPY --from=build / /
ADD files.tar.gz /unpacked
ENV A=1
RUN echo "$A" > /made; ls /unpacked > /list
CMD ["/bin/sh", "-c", "cat /made"]
