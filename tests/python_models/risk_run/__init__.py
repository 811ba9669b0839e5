"""Five years of real books through the risk models.

One database carries the tests. It was rolled to the crash of March 2020, its results of that day were kept, and then it
was rolled on to the end of 2023. Three more days were computed then. What a test changes it takes back.
"""
