FROM --platform=linux/amd64 localhost/tiny AS y
RUN echo y > /y
