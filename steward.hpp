#pragma once

// Everything of Steward: #include <steward/steward.hpp>.
