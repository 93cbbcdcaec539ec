"""Katna in a process of its own: ``python cover_katna.py VIDEO FOLDER`` leaves up to three JPEGs.

Run by ``cover_rivals``, maybe with another interpreter: Katna brings another OpenCV than ours.
"""

import sys

if __name__ == "__main__":  # Katna starts processes that import this file again
    from Katna.video import Video
    from Katna.writer import KeyFrameDiskWriter

    Video().extract_video_keyframes(
        no_of_frames=3, file_path=sys.argv[1], writer=KeyFrameDiskWriter(location=sys.argv[2])
    )
