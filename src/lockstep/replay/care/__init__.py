"""What is done to recordings that are there already: checked, saved from damage, packed."""

from lockstep.replay.care.check import check as check
from lockstep.replay.care.packing import pack as pack
from lockstep.replay.care.recovery import recover as recover
