FROM localhost/tiny
COPY entry.sh /entry.sh
ENTRYPOINT ["/entry.sh"]
CMD ["echo", "default  words"]
