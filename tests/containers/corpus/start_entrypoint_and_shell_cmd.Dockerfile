FROM localhost/tiny
ENTRYPOINT ["printf", "<%s>"]
CMD echo shell "form"
