FROM localhost/tiny
WORKDIR /a
WORKDIR b
WORKDIR ./c/
RUN pwd > /where
WORKDIR "/with space"
RUN pwd >> /where
ENV D=/from/env
WORKDIR $D
WORKDIR ..
RUN pwd >> /where
CMD pwd
