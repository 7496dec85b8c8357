from localhost/tiny as base
run echo built > /built
From base
run cat /built > /again
cmd ["cat", "/again"]
