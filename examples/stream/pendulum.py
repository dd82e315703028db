"""Swings a pendulum up, with `fe stream` as its controller and no other dependency than Python.

    python3 examples/stream/pendulum.py [steps] [path of fe]

The pendulum is a tenth heavier than the program believes, and is pushed at random: what the plan gets wrong, the next one
corrects, since each begins where the pendulum is.
"""

import json
import math
import os
import random
import subprocess
import sys


class Controller:
    """A program that takes a line for each step and answers with one."""

    def __init__(self, fe, *arguments):
        command = [fe, "stream", *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def step(self, **given):
        print(json.dumps(given), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"fe ended with {self.process.wait()}")
        return json.loads(answer)

    def close(self):
        self.process.stdin.close()
        return self.process.wait()


class Pendulum:
    """Angle from upright and speed; gravity 15, an arm of at most 6, semi-implicit steps of .05."""

    def __init__(self, seed, gravity=15 * 1.1, shake=0.05):
        self.angle, self.speed = math.pi, 0.0
        self.gravity, self.shake, self.random = gravity, shake, random.Random(seed)

    def step(self, a):
        push = self.random.gauss(0, self.shake)
        self.speed += 0.05 * (self.gravity * math.sin(self.angle) + 6 * math.tanh(a)) + push
        self.angle += 0.05 * self.speed


def main():
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    fe = sys.argv[2] if len(sys.argv) > 2 else "fe"
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "swing_up.fe")
    controller, pendulum, heights = Controller(fe, program, "--plan"), Pendulum(seed=0), []
    for t in range(steps):
        answer = controller.step(angle=pendulum.angle, speed=pendulum.speed)
        pendulum.step(answer["action"]["a"])
        heights.append(math.cos(pendulum.angle))
        if t % 10 == 9:
            print(f"step {t + 1:3}  height {heights[-1]:+.3f}  F {answer['free_energy']:8.2f}")
    code = controller.close()
    held = heights[-20:]
    print(f"least height of the last {len(held)} steps: {min(held):.3f}")
    sys.exit(code)


if __name__ == "__main__":
    main()
