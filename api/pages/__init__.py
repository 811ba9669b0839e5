"""The pages: HTML for people, from the same read layer and with the same bytes kept by version."""

from fastapi import APIRouter

router = APIRouter(include_in_schema=False)
