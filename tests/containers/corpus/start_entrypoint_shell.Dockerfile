FROM localhost/tiny
ENTRYPOINT echo "entry $0 $*" && exit 3
CMD ["one", "two words"]
