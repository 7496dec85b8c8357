FROM localhost/tiny
ENV WHO=world
CMD echo "hello   $WHO" && echo 'two' | cat
