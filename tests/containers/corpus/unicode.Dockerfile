FROM localhost/tiny
ENV WHO="wörld ☃"
RUN echo "grüße $WHO" > /out
CMD echo "$WHO"
