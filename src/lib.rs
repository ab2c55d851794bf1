//! docquay
