from localhost/tiny as Base
run echo built > /built
From base
run cat /built > /again
cmd ["cat", "/again"]
