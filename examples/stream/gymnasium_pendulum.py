"""The same controller on gymnasium's own pendulum: `pip install gymnasium`, then

    python3 examples/stream/gymnasium_pendulum.py [steps] [path of fe]

gymnasium's Pendulum-v1 measures its angle from upright and moves by the equations of swing_up.fe, its speed clipped at 8.
"""

import math
import os
import sys

from pendulum import Controller

try:
    import gymnasium
except ModuleNotFoundError:
    sys.exit("gymnasium is not installed: `pip install gymnasium`, or run pendulum.py, which needs nothing")


def main():
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    fe = sys.argv[2] if len(sys.argv) > 2 else "fe"
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "swing_up.fe")
    world = gymnasium.make("Pendulum-v1", max_episode_steps=steps)
    (cosine, sine, speed), _ = world.reset(seed=0, options={"x_init": math.pi, "y_init": 0.0})
    controller, heights, reward = Controller(fe, program, "--plan"), [], 0.0
    for _ in range(steps):
        answer = controller.step(angle=math.atan2(sine, cosine), speed=float(speed))
        torque = 2 * math.tanh(answer["action"]["a"])
        (cosine, sine, speed), earned, *_ = world.step([torque])
        reward += float(earned)
        heights.append(float(cosine))
    code = controller.close()
    print(f"reward {reward:.1f}, least height of the last 20 steps: {min(heights[-20:]):.3f}")
    sys.exit(code)


if __name__ == "__main__":
    main()
