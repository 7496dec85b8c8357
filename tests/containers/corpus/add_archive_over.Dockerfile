FROM localhost/tiny
RUN mkdir -p /over/sub && echo old > /over/top.txt && echo kept > /over/sub/kept
ADD files.tar.gz /over
ADD files.tar a.txt /mixed/
