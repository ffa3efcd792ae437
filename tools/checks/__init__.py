"""Rules of this project that no linter knows, over the syntax trees and texts of the checkout."""
