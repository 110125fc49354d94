# Stands for Zephyr's CMake package: what it brings is there already. See ../README.md.
set(Zephyr_FOUND TRUE)
