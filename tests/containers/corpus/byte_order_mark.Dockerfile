FROM localhost/tiny
RUN echo bom > /out
