#!/bin/sh
# Prints a configuration with a coffee maker for each thing: a setting "limit", the temperature in °C above which its
# heater is turned off. Every 33rd is of an old series that takes less. Every 50th is left out: it is away.
set -eu

if [ $# -ne 1 ] || ! [ "$1" -gt 0 ] 2>/dev/null; then
  echo "usage: fleet.sh NUMBER-OF-COFFEE-MAKERS" >&2
  exit 2
fi

echo 'shadows:'
i=1
while [ "$i" -le "$1" ]; do
  highest=98
  [ $((i % 33)) -ne 0 ] || highest=92
  if [ $((i % 50)) -ne 0 ]; then
    printf '  coffee-%04d:\n    thing: coffee-%04d\n    properties:\n' "$i" "$i"
    printf '      limit: {setting: integer, min: 60, max: %d, default: 90}\n' "$highest"
  fi
  i=$((i + 1))
done
