FROM localhost/tiny AS unused
RUN exit 1
FROM localhost/tiny AS used
RUN echo used > /used
FROM localhost/tiny
COPY --from=used /used /used
