"""People's votes on the pairs of a run: pairs out for voting, votes back in, and what these say."""
