FROM localhost/tiny
ADD files.tar /tar
ADD files.tar.gz /gz/
ADD files.tar.xz /xz
ADD files.tar.bz2 /bz2
ADD named.dat /named
ADD plain.gz /plain/
COPY files.tar.gz /not_unpacked/
