"""Every situation of the rules by name, its arithmetic beside the expectation; all of them are rolled once, together.

Unless a case says otherwise, a portfolio begins with 10,000 on Tuesday 2024-01-02 and is seen on five sessions: Tuesday
to Friday and the Monday after. Closes are given for the Friday before (2023-12-29) and these five.
"""
