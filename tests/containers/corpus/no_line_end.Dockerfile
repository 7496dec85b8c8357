FROM localhost/tiny
RUN echo end > /out